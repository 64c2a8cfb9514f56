from .app import main as main
from .digits_demo import demo as demo
