"""The BERT taste model: tokeniser, encoder, heads, preprocessing, training, export, evaluation; and the baselines."""
