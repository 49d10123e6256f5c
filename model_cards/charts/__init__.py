"""Charts as inline SVG: no script, no external font, coloured by the page's own style sheet.

Each has a title and a description for who does not see it, and its numbers as a table. Shapes and words tell things
apart, never colour alone.
"""

from model_cards.charts.audits import audit_charts
from model_cards.charts.drawing import Chart
from model_cards.charts.evaluation import section_charts
from model_cards.charts.training import comparison_chart, loss_chart

__all__ = ["Chart", "audit_charts", "comparison_chart", "loss_chart", "section_charts"]
