"""The views of the main window: real displayable managers that draw off screen, shown in Qt widgets."""
