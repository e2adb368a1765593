// For tests alone: a self-signed certificate of "udsock.test", valid from 2020 to 2120, and its key, which is no secret.
// Made once, by `openssl req -new` and `openssl ca -selfsign -startdate 20200101000000Z -enddate 21200101000000Z`.

export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgnXt/Foa8ge6CXmUq
xRMrv87w/E5uJV/qiYYvHJblJE+hRANCAARfdmvN7d72kMPEJiC5HhlujKr32lZ5
kRMyjqctCYW2BZobil4RsbOTP4GkVVrEi05mbUMIdFNKaLkzWGTehtve
-----END PRIVATE KEY-----
`

export const cert = `-----BEGIN CERTIFICATE-----
MIIBZDCCAQqgAwIBAgIBATAKBggqhkjOPQQDAjAWMRQwEgYDVQQDDAt1ZHNvY2su
dGVzdDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFjEUMBIGA1UE
AwwLdWRzb2NrLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARfdmvN7d72
kMPEJiC5HhlujKr32lZ5kRMyjqctCYW2BZobil4RsbOTP4GkVVrEi05mbUMIdFNK
aLkzWGTehtveo0cwRTAWBgNVHREEDzANggt1ZHNvY2sudGVzdDAMBgNVHRMEBTAD
AQH/MB0GA1UdDgQWBBREPV4QAOYVGD2E6JfyImXCCE/njDAKBggqhkjOPQQDAgNI
ADBFAiBV8Ucd69qIq3P4/ijOC48xu2uBxRLeh2HOC1WWkZ+qYQIhAKblus0FRsar
qLtVFV2zuIPxwznV8PaQikGdS4tXtEtF
-----END CERTIFICATE-----
`
