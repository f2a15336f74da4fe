"""The commands of `genzoo`, a file for what a person does; each imports TensorFlow only when it runs."""
