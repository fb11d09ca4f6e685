from __future__ import annotations

from tenants.gather import Gathered as Gathered
