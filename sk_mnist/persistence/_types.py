"""The types of objects that a model file may hold, besides plain data, arrays and random states."""

BUNCH = "sklearn.utils._bunch.Bunch"

# This package's own types, for `trusted=` of skops.io.load. skops knows those of scikit-learn.
TRUSTED_TYPES = (
    "sk_mnist.augmentation.RandomInk",
    "sk_mnist.augmentation.RandomWarp",
    "sk_mnist.neural_network.KerasMLPClassifier",
    "sk_mnist.preprocessing.DigitImageNormalizer",
    "sk_mnist.preprocessing.ImageFlattener",
    "sk_mnist.preprocessing.PixelScaler",
)

# This package's estimators, and those of scikit-learn that only use data from the file in NumPy and SciPy arithmetic.
# Others pass it to compiled code that does not check it: k-means reads past a centre that is too short, a one-hot
# encoder writes past a matrix that is too narrow. Or they call methods that the file names, like StackingClassifier.
TYPES = {
    *TRUSTED_TYPES,
    "sklearn.compose._column_transformer.ColumnTransformer",
    "sklearn.decomposition._incremental_pca.IncrementalPCA",
    "sklearn.decomposition._pca.PCA",
    "sklearn.decomposition._truncated_svd.TruncatedSVD",
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis",
    "sklearn.dummy.DummyClassifier",
    "sklearn.ensemble._voting.VotingClassifier",
    "sklearn.feature_selection._variance_threshold.VarianceThreshold",
    "sklearn.frozen._frozen.FrozenEstimator",
    "sklearn.linear_model._base.LinearRegression",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.linear_model._logistic.LogisticRegressionCV",
    "sklearn.linear_model._ridge.Ridge",
    "sklearn.linear_model._ridge.RidgeClassifier",
    "sklearn.naive_bayes.BernoulliNB",
    "sklearn.naive_bayes.GaussianNB",
    "sklearn.naive_bayes.MultinomialNB",
    "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.pipeline.FeatureUnion",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.Binarizer",
    "sklearn.preprocessing._data.MaxAbsScaler",
    "sklearn.preprocessing._data.MinMaxScaler",
    "sklearn.preprocessing._data.Normalizer",
    "sklearn.preprocessing._data.PowerTransformer",
    "sklearn.preprocessing._data.QuantileTransformer",
    "sklearn.preprocessing._data.RobustScaler",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._function_transformer.FunctionTransformer",
    "sklearn.preprocessing._label.LabelBinarizer",
    "sklearn.preprocessing._label.LabelEncoder",
}
