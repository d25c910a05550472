"""How the portfolio weighs what it trades."""
