"""The check of a loaded decision tree, whose nodes scikit-learn follows without looking where they lead."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.tree._tree import Tree

from worker.core.compiled_errors import InvalidModel


def check_tree(classifier: Any, features: int) -> None:  # noqa: ANN401 - scikit-learn ships no types
    """Raise InvalidModel unless every walk from the root ends in a leaf and asks only for features that exist.

    skops does not trust trees for this reason (scikit-learn pull request 34558: no bounds checks).
    """
    tree = classifier.tree_
    if type(tree) is not Tree or classifier.n_outputs_ != 1 or classifier.monotonic_cst is not None:
        raise InvalidModel("the decision tree is not a plain one of one label")
    # The arrays below are views of `node_count` nodes on memory for `capacity` nodes.
    if not 1 <= tree.node_count <= tree.capacity:
        raise InvalidModel("the decision tree claims more nodes than it has")
    classes = len(classifier.classes_)
    if (tree.n_features, tree.n_outputs, tree.max_n_classes) != (features, 1, classes):
        raise InvalidModel("the decision tree was made for other features or labels")
    if classifier.n_features_in_ != features or int(classifier.n_classes_) != classes:
        raise InvalidModel("the decision tree was made for other features or labels")
    left, right = tree.children_left, tree.children_right
    places = np.arange(tree.node_count)
    leaves = (left == -1) & (right == -1)
    inner = ~leaves
    for children in (left, right):
        # Children come after their parent: a walk cannot go round in circles.
        if not ((children[inner] > places[inner]) & (children[inner] < tree.node_count)).all():
            raise InvalidModel("the decision tree has a child that is not a later node")
    if not ((tree.feature[inner] >= 0) & (tree.feature[inner] < features)).all():
        raise InvalidModel("the decision tree asks for a feature that does not exist")
    if not np.isfinite(tree.threshold[inner]).all() or not np.isfinite(tree.value).all():
        raise InvalidModel("the decision tree holds numbers that are not finite")
