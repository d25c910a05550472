# what `__init__.py` finds when it is asked; import-linter takes no arrow from here
from tradepulse.candles.arrays import Candles as Candles
from tradepulse.candles.times import Time as Time
from tradepulse.library.backtests import backtest as backtest
from tradepulse.library.demo import demo_candles as demo_candles
from tradepulse.library.findings import look_ahead as look_ahead
from tradepulse.library.found import Found as Found
from tradepulse.library.live import connect as connect
from tradepulse.library.runs import Run as Run
from tradepulse.library.searches import sweep as sweep
from tradepulse.library.series import from_frame as from_frame
from tradepulse.library.series import load as load
from tradepulse.library.series import load_all as load_all
from tradepulse.library.series import stored as stored
from tradepulse.library.uses import use as use
from tradepulse.library.verdicts import Verdict as Verdict
from tradepulse.library.verdicts import validate as validate
from tradepulse.version import __version__ as __version__
