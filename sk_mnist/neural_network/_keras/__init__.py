"""All that uses Keras, TensorFlow and scikeras, and the only place that knows their private names."""
