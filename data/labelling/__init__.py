"""The labelling loop: which texts people should label next, their answers, and the labels that come of them."""
