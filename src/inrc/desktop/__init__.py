"""Files by which the desktops of Linux and BSD know `.inr` files: their type, and a program that makes thumbnails."""
