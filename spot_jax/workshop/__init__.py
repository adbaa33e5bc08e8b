"""Where the miniature and the embedded model are made and measured."""
