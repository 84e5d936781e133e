"""Small tables that are as high as their rows."""


def fitHeight(table, most):
    """Give a table the height of its heading and rows, up to `most` pixels; more is scrolled.

    Parameters
    ----------
    table : qt.QTableWidget
    most : int
    """
    table.resizeRowsToContents()
    rows = sum(table.rowHeight(row) for row in range(min(table.rowCount, most // 10)))
    table.setFixedHeight(min(most, table.horizontalHeader().height + rows + 2 * table.frameWidth + 2))
