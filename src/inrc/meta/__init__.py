"""Learning shared inits from photographs: starts by meta-learning, priors by empirical Bayes."""
