"""What a lab shows beside its commands: map, predictions, quiz, command card, live card, results of checks.

The magics here read the lab's source in the installed course, so that a notebook holds no answers. What they show is
drawn by pure functions; `markup` brings it to the page.
"""
