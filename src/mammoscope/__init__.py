"""Read any mammography data set the same way, train and compare classifiers on it, and see why they answered."""

__version__ = "0.1.0"
