"""Rate-distortion experiments: records of real files, and tables, figures and reports that are functions of them."""
