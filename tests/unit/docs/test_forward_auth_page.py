"""docs/forward-auth.md: its file of destinations is one."""

import re
from pathlib import Path

from remixer.frontends.forward_auth import Destinations
from remixer.server.destination_file import load_destinations
from remixer.server.standard_attributes import standard_vocabulary

PAGE = (Path(__file__).parents[3] / "docs" / "forward-auth.md").read_text()


def test_the_destinations_of_the_page_are_as_it_says(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml destinations.yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    file = tmp_path / "destinations.yaml"
    file.write_text(text)
    vocabulary = standard_vocabulary()
    found = Destinations(load_destinations(str(file)), vocabulary=lambda: vocabulary)
    shop, books, other = map(found.attributes_of, ("shop.example", "a.books.example", "x"))
    assert shop is not None
    assert books is not None
    assert other is not None
    assert (shop["destination.namespace"], shop["destination.port"]) == ("shop", 8080)
    assert shop["destination.labels"] == {"app": "web", "version": "v1"}
    assert (books["destination.namespace"], books["destination.port"]) == ("books", None)
    assert (other["destination.namespace"], other["destination.port"]) == ("shop", None)
