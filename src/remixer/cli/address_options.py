"""Addresses on the command line, understood before anything starts."""

import typer

from remixer.transport.addresses import TcpAddress, parse_address


def listen_address(text: str | None) -> str | None:
    """For `typer.Option(callback=…)`: HOST:PORT or unix:PATH, unchanged; None: not given."""
    if text is not None:
        _address(text)
    return text


def tcp_listen_address(text: str) -> str:
    """The same where only HOST:PORT will do."""
    if not isinstance(_address(text), TcpAddress):
        message = f"`{text}` is not HOST:PORT"
        raise typer.BadParameter(message)
    return text


def _address(text: str) -> object:
    try:
        return parse_address(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
