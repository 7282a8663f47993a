"""Fitting coordinate networks: polyphase minibatches of samples, weights quantised from the first step on."""
