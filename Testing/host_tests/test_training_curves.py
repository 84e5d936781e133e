"""Curves in plot views: they grow in place while a training runs, and are never saved with the scene."""

import numpy as np
import pytest


def curves(epochs, name="fold 0", shift=0.0, planned=50):
    """Curves as a training makes them; the pseudo-Dice falls in the last tenth."""
    from BreastSegTrainingLib.curves import Curves

    places = np.arange(epochs, dtype=float)
    average = 0.8 - 0.7 * np.exp(-places / 10) + shift - 0.01 * np.maximum(places - 30, 0)
    best = int(average.argmax()) if epochs else None
    return Curves(
        name,
        "curves.json",
        train_losses=np.exp(-places / 10) - 1 + shift,
        val_losses=np.exp(-places / 12) - 0.9 + shift,
        mean_fg_dice=average + 0.03 * np.sin(places),
        ema_fg_dice=average,
        lrs=0.01 * (1 - places / 60) ** 0.9,
        epoch_start=1000.0 + 31 * places,
        epoch_end=1030.0 + 31 * places,
        best_epoch=best,
        best=float(average[best]),
        epochs_planned=planned,
    )


@pytest.fixture
def plot(host):
    """A `CurvePlot`, removed afterwards."""
    from BreastSegTrainingLib.scene.curvenodes import CurvePlot

    plot = CurvePlot("m1")
    yield plot
    plot.remove()


def column(series):
    """Return the y values that a series node draws, as an array."""
    from vtk.util.numpy_support import vtk_to_numpy

    array = series.GetTableNode().GetTable().GetColumnByName(series.GetYColumnName())
    return vtk_to_numpy(array).copy() if array.GetNumberOfTuples() else np.zeros(0)


def series_of(chart):
    """Return {name: series node} of a chart."""
    nodes = [chart.GetNthPlotSeriesNode(place) for place in range(chart.GetNumberOfPlotSeriesNodes())]
    return {node.GetName(): node for node in nodes}


def count_nodes():
    """Return how many nodes of plots are in the scene."""
    import slicer

    kinds = ("vtkMRMLTableNode", "vtkMRMLPlotSeriesNode", "vtkMRMLPlotChartNode")
    return [slicer.mrmlScene.GetNumberOfNodesByClass(kind) for kind in kinds]


def test_the_charts_hold_the_curves_of_a_fold(plot):
    one = curves(40)
    plot.show([one])
    loss = series_of(plot.chart("loss"))
    assert set(loss) == {"training", "validation"}
    assert np.array_equal(column(loss["training"]), one.train_losses)
    assert np.array_equal(column(loss["validation"]), one.val_losses)
    dice = series_of(plot.chart("dice"))
    assert set(dice) == {"pseudo-Dice", "moving average", f"best epoch {one.best_epoch} ({one.best:.3f})"}
    best = dice[f"best epoch {one.best_epoch} ({one.best:.3f})"]
    assert column(best) == pytest.approx([one.best]) and best.GetMarkerStyle() == best.MarkerStyleDiamond
    assert np.array_equal(column(series_of(plot.chart("rate"))["learning rate"]), one.lrs)
    assert column(series_of(plot.chart("time"))["time"]) == pytest.approx([30.0] * 40)
    for chart in plot.charts.values():
        assert chart.GetLegendVisibility() and chart.GetXAxisTitle() == "Epoch" and "m1" in chart.GetTitle()


def test_the_pseudo_dice_ends_below_the_legend(plot):
    plot.update([curves(40)])
    low, high = plot.chart("dice").GetYAxisRange()
    one = curves(40)
    assert low < one.mean_fg_dice.min() and high > one.mean_fg_dice.max() + 0.1
    plot.update([curves(40), curves(40, "fold 1"), curves(40, "fold 2")])
    assert plot.chart("dice").GetYAxisRange()[1] > high, "a longer legend"


def test_an_update_adds_only_the_new_rows_and_no_nodes(plot):
    plot.update([curves(10)])
    before = count_nodes()
    table = series_of(plot.chart("loss"))["training"].GetTableNode()
    array = table.GetTable().GetColumnByName("train_losses")
    told = []
    tag = table.AddObserver("ModifiedEvent", lambda *_arguments: told.append(1))
    plot.update([curves(10)])
    assert told == [], "nothing new, so nothing is drawn again"
    array.SetValue(3, 99.0)  # a row that is there already is not written again
    plot.update([curves(12)])
    table.RemoveObserver(tag)
    assert told and count_nodes() == before
    assert table.GetTable().GetColumnByName("train_losses") is array
    assert array.GetNumberOfValues() == 12 and array.GetValue(3) == 99.0
    assert array.GetValue(11) == pytest.approx(curves(12).train_losses[11])


def test_a_fold_that_went_back_to_a_checkpoint_is_written_anew(plot):
    plot.update([curves(20)])
    plot.update([curves(15, shift=0.1)])
    drawn = column(series_of(plot.chart("loss"))["training"])
    assert np.array_equal(drawn, curves(15, shift=0.1).train_losses)


def test_folds_that_begin_later_are_laid_over_the_others(plot):
    plot.update([curves(8)])
    assert "training" in series_of(plot.chart("loss"))
    plot.update([curves(9), curves(3, "fold 1", 0.05)])
    loss = series_of(plot.chart("loss"))
    assert set(loss) == {f"fold {fold}, {word}" for fold in (0, 1) for word in ("training", "validation")}
    assert loss["fold 0, training"].GetColor() != loss["fold 1, training"].GetColor()
    assert len(column(series_of(plot.chart("dice"))["best epoch"])) == 2


def test_unknown_values_make_no_empty_series(plot):
    one = curves(5)
    plot.update([one.changed(lrs=np.full(5, np.nan), val_losses=np.array([np.nan, 1, np.nan, 1, 1]))])
    assert series_of(plot.chart("rate")) == {} and len(series_of(plot.chart("loss"))) == 2


def test_nothing_of_it_is_saved_or_left_behind(plot, tmp_path):
    import slicer

    before = count_nodes()
    plot.show([curves(5), curves(4, "fold 1")])
    kinds = ("vtkMRMLTableNode", "vtkMRMLPlotSeriesNode", "vtkMRMLPlotChartNode")
    nodes = [node for kind in kinds for node in slicer.util.getNodesByClass(kind)]
    assert len(nodes) > sum(before) and not any(node.GetSaveWithScene() for node in nodes)
    plot.remove()
    assert count_nodes() == before and plot.charts == {} and plot.chart("loss") is None
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    assert not hierarchy.GetItemByName("Curves of m1")


def test_nodes_that_the_user_deleted_are_made_again(plot):
    import slicer

    plot.update([curves(5)])
    slicer.mrmlScene.RemoveNode(plot.chart("dice"))
    assert not plot.isThere
    plot.update([curves(6)])
    assert plot.isThere and count_nodes() == [2, 7, 4]
    slicer.mrmlScene.Clear(0)
    plot.update([curves(6)])
    assert plot.isThere and len(column(series_of(plot.chart("loss"))["training"])) == 6


def test_the_chart_is_shown_in_the_plot_view_of_the_layout(plot, host, artefacts):
    import slicer

    manager = slicer.app.layoutManager()
    if manager is None:
        pytest.skip("the application has no views")
    layout = manager.layoutLogic().GetLayoutNode()
    former = layout.GetViewArrangement()
    layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView)
    host.app.processEvents()
    try:
        plot.show([curves(40), curves(35, "fold 1", 0.04)], "dice")
        host.app.processEvents()
        assert manager.plotViewCount > 0
        view = manager.plotWidget(0)
        assert view.mrmlPlotViewNode().GetPlotChartNodeID() == plot.chart("dice").GetID()
        host.layoutManager.plotWidget(0).plotView().forceRender()
        picture = host.layoutManager.plotWidget(0).plotView().image()
        assert picture.save(str(artefacts / "training-curves-plot.png"))
    finally:
        layout.SetViewArrangement(former)
        host.app.processEvents()
