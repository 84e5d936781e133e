"""Who an archive is: addresses that are taken and refused, and credentials that are shown nowhere."""

import os
import pickle
import ssl
import traceback

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.pacs import Credentials, Peer, Query, Tls, credentials_from_environment, read_peer
from BreastSegLib.pacs.query import number_of, study_row, text_of
from hypothesis import given
from hypothesis import strategies as st
from pacs_cases import SECRET
from pydicom.dataset import Dataset


def test_an_address_of_a_dicom_archive_is_read():
    peer = read_peer(" MY PACS@pacs.example:104 ", "ME")
    assert (peer.kind, peer.aet, peer.host, peer.port, peer.own_aet) == ("dimse", "MY PACS", "pacs.example", 104, "ME")
    assert read_peer("A@[::1]:11112").host == "::1"
    assert not peer.encrypted and read_peer("A@b:1", tls=Tls(on=True)).encrypted


def test_an_address_of_a_dicomweb_service_is_read():
    peer = read_peer("HTTPS://pacs.example:8443/dicom-web/")
    assert (peer.kind, peer.address, peer.host, peer.port) == (
        "web", "https://pacs.example:8443/dicom-web", "pacs.example", 8443,
    )  # fmt: skip
    assert peer.encrypted and not read_peer("http://h/x").encrypted


@pytest.mark.parametrize(
    "text",
    [
        *("", "PACS", "PACS@host", "PACS@host:0", "PACS@host:65536", "@host:104", "A@:104", "A@h:1:2", "A@h ost:1"),
        *("A" * 17 + "@host:104", "A\\B@host:104", "Ä@host:104", "http://", "http://:80/x", "ftp://host/x"),
        *("http://host:0/x", "http://host:99999/x", "https://host/x?token=1", "https://host/#a"),
    ],
)
def test_other_addresses_are_refused_in_one_line(text):
    with pytest.raises(BadInput) as caught:
        read_peer(text)
    assert "\n" not in caught.value.line and caught.value.hint or "characters" in caught.value.line


@pytest.mark.parametrize(
    "text",
    [
        f"https://user:{SECRET}@host/dicom-web",
        f"https://host/dicom-web?token={SECRET}",
        f"https://host:{SECRET}/x",
        f"user:{SECRET}@host/dicom-web",
        f"http://{SECRET}@",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(text):
    with pytest.raises(BadInput) as caught:
        read_peer(text)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        peer = read_peer(text)
    except BadInput as error:
        assert "\n" not in error.line
    else:
        assert peer.host and peer.kind in ("dimse", "web")


def test_credentials_are_shown_nowhere():
    credentials = credentials_from_environment({"BREASTSEG_PACS_USER": "mary", "BREASTSEG_PACS_PASSWORD": SECRET})
    peer = read_peer("https://h/dicom-web", credentials=credentials)
    assert credentials and peer.usable_credentials.password == SECRET
    for shown in (repr(peer), str(peer), repr(credentials), str(credentials), f"{credentials}", peer.address):
        assert SECRET not in shown and "mary" not in shown
    assert not credentials_from_environment({}) and repr(Credentials()) == "Credentials(none)"


def test_credentials_do_not_travel_unencrypted_without_being_told_to():
    credentials = Credentials("mary", SECRET)
    with pytest.raises(BadInput) as caught:
        assert read_peer("http://far.example/dicom-web", credentials=credentials).usable_credentials
    assert SECRET not in caught.value.line and "--plain-credentials" in caught.value.line
    told = read_peer("http://far.example/dicom-web", credentials=credentials, plain_credentials=True)
    assert told.usable_credentials is credentials
    assert read_peer("http://localhost:1/dicom-web", credentials=credentials).usable_credentials
    assert not read_peer("A@far:104", credentials=credentials).usable_credentials
    assert read_peer("A@far:104", credentials=credentials, tls=Tls(on=True)).usable_credentials


def test_tls_verifies_unless_told_not_to(tmp_path):
    assert Tls().client().verify_mode == ssl.CERT_REQUIRED and Tls().client().check_hostname
    assert Tls(verify=False).client().verify_mode == ssl.CERT_NONE
    with pytest.raises(BadInput, match="does not exist"):
        Tls(ca=str(tmp_path / "none.pem"))
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(BadInput, match="belong together"):
        Tls(certificate=str(wrong))
    with pytest.raises(BadInput, match="cannot be used"):
        Tls(ca=str(wrong)).client()
    with pytest.raises(BadInput, match="needs a certificate"):
        Tls().server()


def test_a_query_asks_only_what_is_given():
    assert Query().keys == {}
    query = Query(patient_name="DOE*", date_from="2024-01-31", date_to="20240229", modality="MR")
    assert query.keys == {"PatientName": "DOE*", "StudyDate": "20240131-20240229", "ModalitiesInStudy": "MR"}
    assert Query(date_from="2024-01-31", date_to="2024-01-31").keys == {"StudyDate": "20240131"}
    assert Query(date_to="2024-01-31").keys == {"StudyDate": "-20240131"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"date_from": "31.1.2024"},
        {"date_from": "20241301"},
        {"date_from": "2024-02-01", "date_to": "2024-01-01"},
        {"patient_id": "a\\b"},
        {"patient_name": "a\nb"},
        {"study_uid": "1.2.x"},
        {"study_uid": "1." * 40 + "1"},
    ],
)
def test_a_wrong_query_is_refused(wrong):
    with pytest.raises(BadInput):
        Query(**wrong)


def test_a_row_of_an_empty_answer_has_every_column():
    row = study_row(Dataset())
    assert set(row) == {
        *("study_uid", "date", "time", "description", "modalities", "series", "instances"),
        *("patient_id", "patient_name", "accession"),
    }
    assert row["series"] is None and row["date"] == ""


@given(st.binary(max_size=40), st.sampled_from(["IS", "DA", "PN", "UI", "CS"]))
def test_values_of_an_archive_never_raise(value, kind):
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    dataset = Dataset()
    tag = Tag("NumberOfStudyRelatedSeries")
    dataset._dict[tag] = RawDataElement(tag, kind, len(value), value, 0, False, True, True)
    assert isinstance(text_of(dataset, "NumberOfStudyRelatedSeries"), str)
    assert number_of(dataset, "NumberOfStudyRelatedSeries") is None or True


def test_a_peer_can_be_compared_without_its_credentials():
    assert read_peer("A@h:1", credentials=Credentials("u", "p")) == read_peer("A@h:1")
    assert isinstance(Peer("dimse", "A@h:1"), Peer) and os.environ is not None
    assert SECRET.encode() not in pickle.dumps(read_peer("A@h:1"))
