"""Many pictures: where they come from, where their files go, what is known of each, and how to iterate them."""
