"""How a client gets into Kafka: where the brokers are, whether the line is encrypted, and as whom it comes."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from faststream.security import BaseSecurity

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True)
class KafkaAccess:
    """`bootstrap` is host:port, several separated by commas. `ca_file` holds the authorities that are believed, in PEM;
    without one those of the machine."""

    bootstrap: str
    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None

    def client(self) -> dict[str, Any]:
        """Arguments for a client of aiokafka."""
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap.split(","), "security_protocol": self.protocol}
        if self.protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        if self.encrypted:
            options["ssl_context"] = self._context()
        return options

    def security(self) -> "BaseSecurity | None":
        """The same for FastStream's broker; None where anybody may come in."""
        from faststream.security import BaseSecurity, SASLScram256, SASLScram512  # slow, and not for every client

        context = self._context() if self.encrypted else None
        if self.protocol.startswith("SASL"):
            scram = SASLScram256 if self.mechanism == "SCRAM-SHA-256" else SASLScram512
            return scram(self.username, self.password, ssl_context=context, use_ssl=self.encrypted)
        return BaseSecurity(ssl_context=context, use_ssl=True) if context else None

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read along."""
        return self.protocol.endswith("SSL")

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
