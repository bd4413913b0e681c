"""Operations under the names of ``keras.ops``, on Tensors, arrays and symbolic tensors.

Not all of them are here: there are no transposed or separable convolutions, Fourier transforms, images or
decompositions of matrices.

They take Tensors, Variables, arrays, numbers and nested lists, and return Tensors. They write into no
argument, and no result shares memory with an array of the caller's. Where they differ from NumPy's
functions of the same name it is in dtypes, as in Keras: integers and floats give the float's dtype,
functions of floats make integers floatx (not float64), Python's numbers take the dtype of what they meet,
and indices are int32.

They differ from Keras's in four things: an index out of range, or the target class of a cross-entropy, is
an error, not a NaN or the nearest one; `sparsemax` sums to 1; the derivative of `abs` at 0 is 0, as in
TensorFlow and PyTorch; and `scatter_update` knows the reductions None and "add" only.
"""

# A table of contents, so not one name a line.
# ruff: noqa: I001
# fmt: off
from minirnn.ops.control import (
    cond, fori_loop, map, scan, switch, vectorized_map, while_loop,
)
from minirnn.ops.core import (
    array, cast, convert_to_numpy, convert_to_tensor, copy, custom_gradient, dtype, is_tensor, ndim,
    saturate_cast, scatter, scatter_update, shape, size, slice, slice_update, stop_gradient,
)
from minirnn.ops.creation import (
    arange, empty, empty_like, eye, full, full_like, identity, linspace, meshgrid, ones, ones_like, tri,
    zeros, zeros_like,
)
from minirnn.ops.crossentropy import (
    binary_crossentropy, categorical_crossentropy, sparse_categorical_crossentropy,
)
from minirnn.ops.ctc import ctc_loss
from minirnn.ops.ctc_decode import ctc_decode
from minirnn.ops.elementwise import (
    abs, absolute, add, allclose, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, bitwise_and,
    bitwise_invert, bitwise_left_shift, bitwise_not, bitwise_or, bitwise_right_shift, bitwise_xor, cbrt,
    ceil, clip, cos, cosh, divide, divide_no_nan, equal, erf, erfc, exp, exp2, expm1, floor, floor_divide,
    greater, greater_equal, hypot, isclose, isfinite, isinf, isnan, left_shift, less, less_equal, log,
    log10, log1p, log2, logaddexp, logical_and, logical_not, logical_or, logical_xor, maximum, minimum, mod,
    multiply, nan_to_num, negative, not_equal, power, reciprocal, right_shift, round, rsqrt, sign, sin,
    sinh, sqrt, square, subtract, tan, tanh, true_divide, trunc,
)
from minirnn.ops.indexing import (
    get_item, multi_hot, one_hot, pad, segment_sum, select, take, take_along_axis, where,
)
from minirnn.ops.linalg import (
    cross, diag, diagonal, dot, einsum, inner, matmul, norm, outer, tensordot, trace, tril, triu, vdot,
)
from minirnn.ops.nn import (
    celu, elu, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_swish, hard_tanh, leaky_relu,
    log_sigmoid, log_softmax, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign,
    sparse_plus, sparse_sigmoid, sparsemax, squareplus, swish, tanh_shrink, threshold,
)
from minirnn.ops.normalization import (
    batch_normalization, layer_normalization, moments, normalize, rms_normalization,
)
from minirnn.ops.reduction import (
    all, amax, amin, any, average, count_nonzero, cumprod, cumsum, diff, logsumexp, max, mean, min, prod,
    std, sum, var,
)
from minirnn.ops.shape import (
    append, array_split, broadcast_to, concatenate, expand_dims, flip, hstack, moveaxis, ravel, repeat,
    reshape, roll, rot90, split, squeeze, stack, swapaxes, tile, transpose, unstack, vstack,
)
from minirnn.ops.sorting import (
    argmax, argmin, argsort, bincount, digitize, in_top_k, median, nonzero, quantile, searchsorted, sort,
    top_k, unique,
)
from minirnn.ops.windows import (
    average_pool, conv, max_pool,
)

__all__ = [
    "cond", "fori_loop", "map", "scan", "switch", "vectorized_map", "while_loop",
    "array", "cast", "convert_to_numpy", "convert_to_tensor", "copy", "custom_gradient", "dtype",
    "is_tensor", "ndim", "saturate_cast", "scatter", "scatter_update", "shape", "size", "slice",
    "slice_update", "stop_gradient",
    "arange", "empty", "empty_like", "eye", "full", "full_like", "identity", "linspace", "meshgrid", "ones",
    "ones_like", "tri", "zeros", "zeros_like",
    "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy", "ctc_decode",
    "ctc_loss",
    "abs", "absolute", "add", "allclose", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2",
    "arctanh", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "cbrt", "ceil", "clip", "cos", "cosh", "divide", "divide_no_nan",
    "equal", "erf", "erfc", "exp", "exp2", "expm1", "floor", "floor_divide", "greater", "greater_equal",
    "hypot", "isclose", "isfinite", "isinf", "isnan", "left_shift", "less", "less_equal", "log", "log10",
    "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum",
    "minimum", "mod", "multiply", "nan_to_num", "negative", "not_equal", "power", "reciprocal",
    "right_shift", "round", "rsqrt", "sign", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh",
    "true_divide", "trunc",
    "get_item", "multi_hot", "one_hot", "pad", "segment_sum", "select", "take", "take_along_axis", "where",
    "cross", "diag", "diagonal", "dot", "einsum", "inner", "matmul", "norm", "outer", "tensordot", "trace",
    "tril", "triu", "vdot",
    "celu", "elu", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
    "leaky_relu", "log_sigmoid", "log_softmax", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink",
    "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish",
    "tanh_shrink", "threshold",
    "batch_normalization", "layer_normalization", "moments", "normalize", "rms_normalization",
    "all", "amax", "amin", "any", "average", "count_nonzero", "cumprod", "cumsum", "diff", "logsumexp",
    "max", "mean", "min", "prod", "std", "sum", "var",
    "append", "array_split", "broadcast_to", "concatenate", "expand_dims", "flip", "hstack", "moveaxis",
    "ravel", "repeat", "reshape", "roll", "rot90", "split", "squeeze", "stack", "swapaxes", "tile",
    "transpose", "unstack", "vstack",
    "argmax", "argmin", "argsort", "bincount", "digitize", "in_top_k", "median", "nonzero", "quantile",
    "searchsorted", "sort", "top_k", "unique",
    "average_pool", "conv", "max_pool",
]
