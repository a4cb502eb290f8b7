"""Where the documentation of a public estimator is, for scikit-learn's HTML representation."""

DOCUMENTATION_URL = "https://sk-mnist.readthedocs.io/en/stable"


class DocLinkMixin:
    """Makes scikit-learn's HTML representation link to this package's API pages."""

    _doc_link_module = "sk_mnist"
    _doc_link_template = DOCUMENTATION_URL + "/api/generated/sk_mnist.{estimator_name}.html"
