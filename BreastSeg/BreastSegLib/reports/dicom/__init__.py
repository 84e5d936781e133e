"""DICOM objects about an exam: segmentation (SEG), measurements (SR) and the report as a PDF, beside their sources."""
