"""Operators by our own keys, and which of them the brands in ``phonenumbers``' data stand for, country by country.

Brands are free text and drift with each release of the data: a test fails when one of these countries has a brand that
is neither mapped nor ignored here. Sources: Google's libphonenumber carrier data (November 2026); what is mapped is the
operator that serves these numbers now, under whichever name the data still has for it.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BRANDS", "IGNORED", "OPERATORS", "PORTABLE"]

BRANDS: Mapping[str, Mapping[str, str]] = {
    "BF": {"Moov Africa": "moov", "Orange": "orange", "Telecel Faso": "telecel"},
    "BJ": {"Celtiis": "celtiis", "MTN": "mtn", "Moov": "moov"},
    "CD": {"Africell": "africell", "Airtel": "airtel", "Orange": "orange", "Vodacom": "vodacom"},
    "CG": {"Airtel": "airtel", "MTN": "mtn", "Warid": "airtel"},
    "CI": {"MTN": "mtn", "Moov": "moov", "Orange": "orange"},
    "CM": {"Camtel": "camtel", "MTN Cameroon": "mtn", "NEXTTEL": "nexttel", "Orange": "orange"},
    "ET": {"Ethio Telecom": "ethio_telecom", "Safaricom": "safaricom"},
    "GA": {"Airtel": "airtel", "Libertis": "libertis", "Moov": "moov"},
    "GH": {"MTN": "mtn", "Telecel": "telecel", "at": "at"},
    "GN": {"Areeba": "mtn", "Cellcom": "cellcom", "Orange": "orange"},
    "GW": {"Orange": "orange", "Spacetel": "mtn"},
    "KE": {"Airtel": "airtel", "Safaricom": "safaricom", "Telkom": "telkom"},
    "LR": {"Lonestar Cell": "mtn", "Orange": "orange"},
    "LS": {"Econet Ezi-Cel Lesotho": "econet", "Vodacom Lesotho (Pty) Ltd": "vodacom"},
    "MG": {"Airtel": "airtel", "Orange": "orange", "Yas": "yas"},
    "ML": {"Orange": "orange", "Sotelma": "moov"},
    "MW": {"Airtel": "airtel", "TNM": "tnm"},
    "MZ": {"Movitel": "movitel", "Vodacom": "vodacom", "mcel": "tmcel"},
    "NE": {"Airtel": "airtel", "Moov": "moov"},
    "NG": {"9mobile": "9mobile", "Airtel": "airtel", "Glo": "glo", "MTN": "mtn"},
    "RW": {"Airtel": "airtel", "MTN": "mtn"},
    "SL": {"Africell": "africell", "Orange": "orange"},
    "SN": {"Expresso": "expresso", "Orange": "orange", "Promobile": "promobile", "Yas": "yas"},
    "SZ": {"Eswatini Mobile": "eswatini_mobile", "Swazi MTN": "mtn"},
    "TD": {"Airtel": "airtel", "Moov": "moov"},
    "TZ": {"Airtel": "airtel", "Tanzania Telecom": "ttcl", "Viettel": "halotel", "Vodacom": "vodacom", "Yas": "yas"},
    "UG": {"Africell": "africell", "Airtel": "airtel", "LycaMobile": "lyca", "MTN": "mtn", "UTL": "utl"},
    "ZA": {"Cell C": "cell_c", "MTN": "mtn", "Telkom Mobile": "telkom", "Vodacom": "vodacom"},
    "ZM": {"Airtel": "airtel", "Beeline Telecoms": "zedmobile", "MTN": "mtn", "ZAMTEL": "zamtel"},
}

# Brands of the same countries that say nothing: too small to have wallets, gone, or (NE, Orange) of doubtful owner.
IGNORED: Mapping[str, frozenset[str]] = {
    "CD": frozenset({"Tatem Telecom", "Yozma Timeturns sprl -YTT"}),
    "CG": frozenset({"Congo telecom", "Equateur Telecom"}),
    "GH": frozenset({"Expresso", "National Security"}),
    "GN": frozenset({"Intercel", "Sotelgui"}),
    "GW": frozenset({"Guinetel"}),
    "KE": frozenset({"Finserve", "Homeland Media", "Infura", "JTL", "NRG Media Limited"}),
    "LR": frozenset({"Connect", "Liberia Telecom", "West Africa Telecom"}),
    "MG": frozenset({"Blueline"}),
    "ML": frozenset({"Atel"}),
    "MW": frozenset(
        {"Globally Advanced Integrated Networks Ltd", "Malawi Telecom-munications Ltd (MTL)", "Zero2"},
    ),
    "MZ": frozenset({"GMPCS"}),
    "NE": frozenset({"Niger Telecoms", "Orange"}),
    "NG": frozenset({"Lebara", "MAFAB", "Multilinks", "Ntel", "Prestel", "Smile", "Starcomms"}),
    "RW": frozenset({"KtRN"}),
    "SL": frozenset({"Onlime", "QCELL", "Sierratel"}),
    "SN": frozenset({"ADIE", "HAYO"}),
    "SZ": frozenset({"SPTC"}),
    "TD": frozenset({"Sotel"}),
    "UG": frozenset({"Hamilton Telecom", "Roke Telkom", "Savanna", "Smile", "Talkio"}),
    "ZA": frozenset({"Liquid Intelligent Technology", "Rain", "TelAfrica (Wirles Connect)", "WBS Mobile"}),
}

# Wallets that belong to no range of numbers: only a caller or a provider can name them.
_WALLETS = frozenset({"wave"})

OPERATORS = frozenset({key for brands in BRANDS.values() for key in brands.values()}) | _WALLETS

# Where a number may be with another operator than its prefix says, beside the countries that the data itself flags:
# portability is, or is believed to be, in force. That a country is not here proves nothing about it.
PORTABLE = frozenset({"CI", "RW", "SN", "TZ", "ZM"})
