"""What there is to see of a trained model: pictures, edits, and tables with them."""
