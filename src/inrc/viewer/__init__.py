"""A viewer of `.inr` files in the browser: one page that decodes them by itself, in JavaScript."""
