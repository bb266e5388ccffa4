"""Docker's command grammar: words to client calls to text. Imports the client only."""
