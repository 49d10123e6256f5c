"""How good is the model, before and after?"""
