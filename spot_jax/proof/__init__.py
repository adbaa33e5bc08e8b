"""What a run needs of a machine, told by its compiled programs before it is rented."""
