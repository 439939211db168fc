"""Reports: figures of what a search or a comparison found, and the pages that hold them."""
