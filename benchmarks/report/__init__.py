"""What is made of the figures: tables, the targets, a plot and the page of the documentation."""
