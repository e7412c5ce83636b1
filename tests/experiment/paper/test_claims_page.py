"""The claims as people read them."""

from pytest_energybench.experiment.paper.claims import claims
from pytest_energybench.experiment.paper.claims_page import claims_markdown, claims_table
from pytest_energybench.experiment.paper.matrix import Matrix
from tests.experiment.paper import samples


def page_of(run):
    matrix = Matrix.of(run)
    return claims_markdown(matrix, claims(matrix))


def test_golden_page(run, golden):
    golden("claims.md", page_of(run))


def test_the_table_has_a_row_a_claim_and_its_verdict(run):
    matrix = Matrix.of(run)
    table = claims_table(matrix, claims(matrix))
    assert [row[1] for row in table.rows] == [claim.words for claim in claims(matrix)]
    assert "preset quick" in table.note
    assert "energy estimated" in table.note


def test_a_partial_page_says_what_is_missing(run):
    page = page_of(samples.only(run, models=("resnet18",)))
    assert "9 not testable here" in page  # its low-rank drop is a claim about it alone
    assert "1 undecided" in page
    assert "needs steganographic for AlexNet, ResNet34" in page
    assert "? ResNet18 20 bits (paper 19)" in page


def test_a_counter_is_no_estimate(run):
    page = page_of(samples.metered(run))
    assert "on this meter" not in page
    assert "energy measured: cpu:0 rapl" in page
