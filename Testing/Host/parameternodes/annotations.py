"""Reading ``typing.Annotated`` types and the annotations that are not validators."""

import types
import typing


class Default:
    """The value of a parameter that nothing has set: a value, or a function that makes one."""

    def __init__(self, value=None, *, generator=None):
        if value is not None and generator is not None:
            raise ValueError("Default takes a value or a generator, not both")
        self._value = value
        self._generator = generator

    @property
    def value(self):
        return self._generator() if self._generator is not None else self._value


class Decimals:
    """Number of decimals that a spin box or slider shows."""

    def __init__(self, value: int) -> None:
        self.value = value


class SingleStep:
    """Step of a spin box or slider."""

    def __init__(self, value: float | int) -> None:
        self.value = value


def splitAnnotations(possiblyAnnotatedType):
    """Return (type without annotations, list of annotations)."""
    if typing.get_origin(possiblyAnnotatedType) is typing.Annotated:
        first, *rest = typing.get_args(possiblyAnnotatedType)
        return first, rest
    return possiblyAnnotatedType, []


def unannotatedType(possiblyAnnotatedType):
    """Return the type without annotations."""
    return splitAnnotations(possiblyAnnotatedType)[0]


def findFirstAnnotation(annotationsList, annotationType):
    """Return the first annotation of a type, or None."""
    return next((entry for entry in annotationsList if isinstance(entry, annotationType)), None)


def isUnion(datatype) -> bool:
    """Whether a type is written ``A | B``, ``Union[A, B]`` or ``Optional[A]``."""
    return typing.get_origin(datatype) in (typing.Union, types.UnionType)


def isNodeOrUnionOfNodes(datatype) -> bool:
    """Whether a type is a node class, or a union of node classes and None."""
    return bool(getNodeTypes(datatype))


def getNodeTypes(datatype):
    """Return the class names of the nodes that a type allows; empty when it allows anything else."""
    import slicer

    datatype = unannotatedType(datatype)
    options = typing.get_args(datatype) if isUnion(datatype) else (datatype,)
    options = [unannotatedType(option) for option in options if option is not type(None)]
    if options and all(isinstance(option, type) and issubclass(option, slicer.vtkMRMLNode) for option in options):
        return [option.__name__ for option in options]
    return []
