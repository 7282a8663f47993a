"""Steps, surrogates of rounding while fitting, and the search over steps and integers."""
