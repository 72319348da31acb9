# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that lies: each test plays the exchange by hand and changes one thing in it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import attestation_exchange, event_log, firmware_changes, tpm
from ansible_collections.guarded.fabric.lab.world.attestation_protocol import QUOTED_PCRS
from ansible_collections.guarded.fabric.lab.world.model import Machine, Tpm
from ansible_collections.guarded.fabric.lab.world.rtpm import BlobKind, RtpmContext, unpack, wbcl_info
from ansible_collections.guarded.fabric.plugins.module_utils import tcg_log, uefi

from .fabric import Fabric, text64

if TYPE_CHECKING:
    from collections.abc import Mapping

HINT = ":#Microsoft.Windows.RemoteAttestation.Core"


@dataclass
class Liar:
    """A client that shows what it is told to show."""

    fabric: Fabric
    certificate: bytes
    session: str = "42b3f9ac-0ddd-4f34-8b44-2c6a2f1a4a10"

    def send(self, context: bytes) -> dict[str, object]:
        message = {
            "SessionId": self.session,
            "RequestedContent": [1],
            "ProvidedContent": [
                {"m_Item1": 4, "m_Item2": text64(self.certificate)},
                {"m_Item1": 2, "m_Item2": text64(context)},
            ],
        }
        return self.fabric.ask("POST", "/Attestation/v2.0/attest", message)

    def introduce(self, attestation_key: bytes) -> RtpmContext:
        reply = self.send(RtpmContext({BlobKind.ATTESTATION_KEY: attestation_key}).pack())
        assert reply["__type"] == "TpmReplyContinue" + HINT
        return unpack(base64.b64decode(str(reply["RtpmActiveContext"])))

    def finish(self, blobs: Mapping[BlobKind, bytes]) -> str:
        return str(self.send(RtpmContext(blobs).pack())["__type"]).removesuffix(HINT)


def evidence(chip: Tpm, challenge: RtpmContext, log: bytes) -> dict[BlobKind, bytes]:
    quote = tpm.quote(chip, challenge.blob(BlobKind.NONCE), QUOTED_PCRS)
    return {
        BlobKind.SECRET: tpm.activate_credential(chip, challenge.blob(BlobKind.CREDENTIAL)),
        BlobKind.QUOTE: quote.attested,
        BlobKind.QUOTE_SIGNATURE: quote.signature,
        BlobKind.BOOT_LOG: wbcl_info(log),
    }


@dataclass
class Scene:
    fabric: Fabric
    host: Machine
    chip: Tpm
    log: bytes
    liar: Liar

    def challenge(self) -> RtpmContext:
        return self.liar.introduce(tpm.attestation_key(self.chip))


@pytest.fixture
def scene(fabric: Fabric) -> Scene:
    host = fabric.host("host1")
    fabric.register(host)
    chip = fabric.chip_of(host)
    assert host.boot is not None
    assert chip.ek_certificate is not None
    return Scene(fabric, host, chip, host.boot.log, Liar(fabric, chip.ek_certificate))


def other_chip(scene: Scene) -> Tpm:
    return scene.fabric.chip_of(scene.fabric.host("other"))


def test_the_truth_passes(scene: Scene) -> None:
    assert scene.liar.finish(evidence(scene.chip, scene.challenge(), scene.log)) == "HealthCertificateReply"


def test_an_older_log_does_not_replay_to_the_quote(scene: Scene) -> None:
    assert scene.host.firmware is not None
    firmware_changes.update(scene.host.firmware, "1.5")
    scene.fabric.restart(scene.host)
    assert scene.liar.finish(evidence(scene.chip, scene.challenge(), scene.log)) == "TcgLogValidationErrorReply"


def test_a_log_of_another_host_does_not_replay_to_the_quote(scene: Scene) -> None:
    other = scene.fabric.host("other")
    assert other.boot is not None
    assert scene.liar.finish(evidence(scene.chip, scene.challenge(), other.boot.log)) == "TcgLogValidationErrorReply"


@pytest.mark.parametrize("log", [b"", b"no log", bytes(200)])
def test_what_is_no_log_is_no_log(scene: Scene, log: bytes) -> None:
    assert scene.liar.finish(evidence(scene.chip, scene.challenge(), log)) == "TcgLogValidationErrorReply"


def test_words_changed_under_an_honest_digest_are_not_believed(scene: Scene) -> None:
    """Replay covers digests only: a host could keep them and tell another story."""
    scene.host.settings.hibernation = True
    scene.fabric.restart(scene.host)
    assert scene.host.boot is not None
    enabled, disabled = (event_log.flag("HibernationDisabled", value=value) for value in (False, True))
    lie = scene.host.boot.log.replace(enabled, disabled)
    assert lie != scene.host.boot.log
    assert scene.liar.finish(evidence(scene.chip, scene.challenge(), lie)) == "TcgLogValidationErrorReply"


def test_a_secure_boot_variable_changed_under_an_honest_digest_is_not_believed(scene: Scene) -> None:
    assert scene.host.firmware is not None
    firmware_changes.turn_off_secure_boot(scene.host.firmware)
    scene.fabric.restart(scene.host)
    assert scene.host.boot is not None
    off, on = (event_log.uefi_variable(uefi.GLOBAL_VARIABLE, "SecureBoot", content) for content in (b"\0", b"\1"))
    lie = scene.host.boot.log.replace(off, on)
    assert lie != scene.host.boot.log
    assert scene.liar.finish(evidence(scene.chip, scene.challenge(), lie)) == "TcgLogValidationErrorReply"


@pytest.mark.parametrize("kind", [tcg_log.EV_SEPARATOR, tcg_log.EV_COMPACT_HASH, 0x0D])
def test_an_event_is_not_hidden_under_another_type(scene: Scene, kind: int) -> None:
    """The digest does not cover an event's type either."""
    assert scene.host.firmware is not None
    firmware_changes.turn_on_debugging(scene.host.firmware)
    scene.fabric.restart(scene.host)
    assert scene.host.boot is not None
    log = scene.host.boot.log
    event = next(event for event in tcg_log.parse(log).events if event.data == b"UEFI Debug Mode")
    lie = log[: event.offset + 4] + kind.to_bytes(4, "little") + log[event.offset + 8 :]
    assert scene.liar.finish(evidence(scene.chip, scene.challenge(), lie)) == "TcgLogValidationErrorReply"


def test_another_tpm_cannot_read_the_challenge(scene: Scene) -> None:
    other = other_chip(scene)
    challenge = scene.liar.introduce(tpm.attestation_key(other))
    with pytest.raises(tpm.CredentialError):
        tpm.activate_credential(other, challenge.blob(BlobKind.CREDENTIAL))
    lie = evidence(scene.chip, scene.challenge(), scene.log) | {BlobKind.SECRET: bytes(32)}
    assert scene.liar.finish(lie) == "RtpmErrorReply"


def test_the_registered_tpm_does_not_vouch_for_a_key_of_another(scene: Scene) -> None:
    """The endorsement key is right, the attestation key is not: the TPM refuses to release the secret."""
    challenge = scene.liar.introduce(tpm.attestation_key(other_chip(scene)))
    with pytest.raises(tpm.CredentialError):
        tpm.activate_credential(scene.chip, challenge.blob(BlobKind.CREDENTIAL))


def test_a_quote_of_another_tpm_is_not_believed(scene: Scene) -> None:
    challenge = scene.challenge()
    quote = tpm.quote(other_chip(scene), challenge.blob(BlobKind.NONCE), QUOTED_PCRS)
    lie = evidence(scene.chip, challenge, scene.log)
    lie |= {BlobKind.QUOTE: quote.attested, BlobKind.QUOTE_SIGNATURE: quote.signature}
    assert scene.liar.finish(lie) == "RtpmErrorReply"


def test_a_quote_for_another_challenge_is_not_believed(scene: Scene) -> None:
    first = evidence(scene.chip, scene.challenge(), scene.log)
    second = evidence(scene.chip, scene.challenge(), scene.log)
    assert scene.liar.finish(first | {BlobKind.SECRET: second[BlobKind.SECRET]}) == "RtpmErrorReply"


def test_fewer_pcrs_than_agreed_are_not_believed(scene: Scene) -> None:
    challenge = scene.challenge()
    quote = tpm.quote(scene.chip, challenge.blob(BlobKind.NONCE), range(7))
    lie = evidence(scene.chip, challenge, scene.log)
    lie |= {BlobKind.QUOTE: quote.attested, BlobKind.QUOTE_SIGNATURE: quote.signature}
    assert scene.liar.finish(lie) == "RtpmErrorReply"


def test_recorded_evidence_is_good_once(scene: Scene) -> None:
    truth = evidence(scene.chip, scene.challenge(), scene.log)
    assert scene.liar.finish(truth) == "HealthCertificateReply"
    assert scene.liar.finish(truth) == "RtpmErrorReply"


def test_a_session_is_not_answered_under_another_name(scene: Scene) -> None:
    truth = evidence(scene.chip, scene.challenge(), scene.log)
    assert replace(scene.liar, session="another").finish(truth) == "RtpmErrorReply"


def test_a_session_is_not_answered_for_another_tpm(scene: Scene) -> None:
    """Both are registered: what is certified is only the one that was challenged."""
    other = scene.fabric.host("other")
    scene.fabric.register(other)
    certificate = scene.fabric.chip_of(other).ek_certificate
    assert certificate is not None
    truth = evidence(scene.chip, scene.challenge(), scene.log)
    assert replace(scene.liar, certificate=certificate).finish(truth) == "RtpmErrorReply"


def test_a_challenge_grows_old(scene: Scene) -> None:
    truth = evidence(scene.chip, scene.challenge(), scene.log)
    scene.fabric.clock.move(3600)
    assert scene.liar.finish(truth) == "RtpmErrorReply"


def test_a_certificate_of_another_registered_tpm_does_not_help(scene: Scene) -> None:
    """A thief of a certificate is challenged with what only its owner's TPM can read."""
    thief = scene.fabric.host("thief")
    stolen = replace(own_chip := scene.fabric.chip_of(thief), ek_certificate=scene.chip.ek_certificate)
    thief.tpm = stolen
    assert scene.fabric.test(thief) == ("TpmError", "NoInformation")
    assert own_chip.ek_key != scene.chip.ek_key


def test_a_certificate_of_the_wrong_key_registers_nobody(scene: Scene) -> None:
    other = other_chip(scene)
    assert other.ek_certificate is not None
    liar = Liar(scene.fabric, other.ek_certificate)
    assert liar.finish({BlobKind.ATTESTATION_KEY: tpm.attestation_key(other)}) == "UnauthorizedErrorReply"


def test_an_identity_key_that_was_not_measured_is_not_certified(scene: Scene) -> None:
    challenge = scene.challenge()
    message = {
        "SessionId": scene.liar.session,
        "RequestedContent": [1],
        "ProvidedContent": [
            {"m_Item1": 4, "m_Item2": text64(scene.liar.certificate)},
            {"m_Item1": 2, "m_Item2": text64(RtpmContext(evidence(scene.chip, challenge, scene.log)).pack())},
            {"m_Item1": 1, "m_Item2": text64(tpm.endorsement_key(scene.chip))},
        ],
    }
    reply = scene.fabric.ask("POST", "/Attestation/v2.0/attest", message)
    assert reply == {"__type": "VirtualSecureModeErrorReply" + HINT, "Retryable": False}


def test_old_sessions_are_forgotten_and_few_are_kept(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attestation_exchange, "_MOST_SESSIONS", 4)
    for number in range(9):
        replace(scene.liar, session=str(number)).introduce(tpm.attestation_key(scene.chip))
    assert list(scene.fabric.state.sessions) == ["5", "6", "7", "8"]
    scene.fabric.clock.move(3600)
    scene.challenge()
    assert list(scene.fabric.state.sessions) == [scene.liar.session]
