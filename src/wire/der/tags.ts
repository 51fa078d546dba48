/** Identifier octets of DER (ITU-T X.690 §8.1.2) and the object identifiers that certificates use. */

export const TAG_BOOLEAN = 0x01
export const TAG_INTEGER = 0x02
export const TAG_BIT_STRING = 0x03
export const TAG_OCTET_STRING = 0x04
export const TAG_NULL = 0x05
export const TAG_OBJECT_IDENTIFIER = 0x06
export const TAG_UTF8_STRING = 0x0c
export const TAG_UTC_TIME = 0x17
export const TAG_GENERALIZED_TIME = 0x18
export const TAG_BMP_STRING = 0x1e
export const TAG_SEQUENCE = 0x30
export const TAG_SET = 0x31
/** `[n]` of an implicit primitive; add `CONSTRUCTED` for explicit ones. */
export const TAG_CONTEXT = 0x80
export const CONSTRUCTED = 0x20

export const OID_COMMON_NAME = '2.5.4.3'
export const OID_SUBJECT_KEY_ID = '2.5.29.14'
export const OID_KEY_USAGE = '2.5.29.15'
export const OID_SUBJECT_ALT_NAME = '2.5.29.17'
export const OID_BASIC_CONSTRAINTS = '2.5.29.19'
export const OID_AUTHORITY_KEY_ID = '2.5.29.35'
export const OID_EXTENDED_KEY_USAGE = '2.5.29.37'
export const OID_AUTHORITY_INFO_ACCESS = '1.3.6.1.5.5.7.1.1'
export const OID_CA_ISSUERS = '1.3.6.1.5.5.7.48.2'
export const OID_SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const OID_CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

export const OID_RSA = '1.2.840.113549.1.1.1'
export const OID_RSA_PSS = '1.2.840.113549.1.1.10'
export const OID_EC_PUBLIC_KEY = '1.2.840.10045.2.1'
export const OID_P256 = '1.2.840.10045.3.1.7'
export const OID_P384 = '1.3.132.0.34'
export const OID_P521 = '1.3.132.0.35'
export const OID_ED25519 = '1.3.101.112'
export const OID_ED448 = '1.3.101.113'

export const OID_MD5_WITH_RSA = '1.2.840.113549.1.1.4'
export const OID_SHA1_WITH_RSA = '1.2.840.113549.1.1.5'
export const OID_SHA256_WITH_RSA = '1.2.840.113549.1.1.11'
export const OID_ECDSA_WITH_SHA1 = '1.2.840.10045.4.1'
export const OID_ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'
