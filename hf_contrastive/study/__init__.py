"""Does contrastive pretraining pay here? Arms from one checkpoint, few labels, costs counted, uncertainty shown."""
