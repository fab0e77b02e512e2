"""How good a classifier is: figures, baselines, paired tests, behaviour, and the verdict on a candidate."""
