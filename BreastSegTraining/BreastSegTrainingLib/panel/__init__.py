"""What the user sees of BreastSegTraining."""
