"""Which objects and which encodings are agreed on with an archive, so that compressed images travel as they are."""

from pydicom import uid

UNCOMPRESSED = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)
COMPRESSED = (
    uid.JPEGLosslessSV1,
    uid.JPEGLossless,
    uid.JPEG2000Lossless,
    uid.JPEG2000,
    uid.JPEGLSLossless,
    uid.JPEGLSNearLossless,
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.RLELossless,
    uid.DeflatedExplicitVRLittleEndian,
)
ALL = (*UNCOMPRESSED, *COMPRESSED, uid.ExplicitVRBigEndian)
# What exams and results are, asked for where the archive does not tell what it has.
USUAL_CLASSES = (
    uid.MRImageStorage,
    uid.EnhancedMRImageStorage,
    uid.DigitalMammographyXRayImageStorageForPresentation,
    uid.DigitalMammographyXRayImageStorageForProcessing,
    uid.BreastTomosynthesisImageStorage,
    uid.SecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    uid.SegmentationStorage,
    uid.ComprehensiveSRStorage,
    uid.Comprehensive3DSRStorage,
    uid.EncapsulatedPDFStorage,
)
MAXIMUM_CONTEXTS = 128  # of one association, by the standard
CLASSES_AT_ONCE = MAXIMUM_CONTEXTS // (1 + len(COMPRESSED))


def retrieving_contexts(build_context, classes):
    """Return the presentation contexts for getting objects: one for each encoding, so that each can be had as stored.

    Of a context that offers several encodings the archive chooses one, and would have to change images to that.

    Parameters
    ----------
    build_context : callable
        Of pynetdicom.
    classes : sequence of str
        SOP classes, at most `CLASSES_AT_ONCE`.
    """
    contexts = []
    for sop_class in classes:
        contexts.append(build_context(sop_class, list(UNCOMPRESSED)))
        contexts += [build_context(sop_class, syntax) for syntax in COMPRESSED]
    return contexts


def sending_pairs(items):
    """Return the (SOP class, encodings) that have to be agreed on for sending, in a fixed order.

    Parameters
    ----------
    items : sequence of Outgoing
    """
    pairs = {}
    for item in items:
        if item.syntax in UNCOMPRESSED or item.syntax == uid.ExplicitVRBigEndian:
            pairs[item.sop_class, (item.syntax, *(other for other in UNCOMPRESSED if other != item.syntax))] = None
        else:
            pairs[item.sop_class, (item.syntax,)] = None
            pairs[item.sop_class, UNCOMPRESSED] = None  # for an archive that does not take it compressed
    return list(pairs)


def associations(items):
    """Yield the items in groups that fit into one association each.

    Parameters
    ----------
    items : sequence of Outgoing
    """
    group = []
    for item in items:
        if group and len(sending_pairs([*group, item])) > MAXIMUM_CONTEXTS:
            yield group
            group = []
        group.append(item)
    if group:
        yield group
