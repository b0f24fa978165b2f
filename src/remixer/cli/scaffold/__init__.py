"""`remixer adapter new`: a package of an adapter that works, to change from there.

`names` judges what the operator wants, `names_in_code` and `resources` fill the blanks of
`files/`, `package` writes it all.
"""
