"""An interpreter of tools' source over values made from a logged state: nothing of the application runs.

It reads syntax trees and computes with values of its own. Functions, properties and classes of the
application are never called; what it does not understand, or what the state does not tell, it says.
"""
