#pragma once

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace watchword {

// Keys whose private parts nobody has any more, and all tokens that were ever signed with them: those in corpus/token.
inline constexpr absl::string_view kFuzzJwks =
    R"json({"keys":[{"kty":"EC","kid":"es","use":"sig","alg":"ES256","crv":"P-256","x":"YNUq1yNHd6faFfZxktpHCd1lz7T8z2ekLT3hgRkpoy0","y":"ZJgA_GPvVzT2wFrbuVtXOh4v4C1pHIH5mUpXRA1Fyqw"},{"kty":"OKP","kid":"ed","use":"sig","alg":"EdDSA","crv":"Ed25519","x":"CGb6xQFxHhF5J1eEe6EHqxuLvE3jFc5y8-9IHwV6muA"},{"kty":"RSA","kid":"rs","use":"sig","alg":"RS256","n":"pX23Ylu8RG4A9Go6ybZ68aiOx9ikECgXGZouzY3AT8TQBAm-fCnsoqPL79pCsDomunSsmHlCZ5aPgzudKzNm2NaC1xpF8iJ54uu8TUnjIPiXq7GSZPZszHNvDgQTm5Fp6n4NoHRA2mxYDrzZh2OCgiA1mXEUYP9_3tSAyihFhsgu9bSnIx7xpDVazxN6jPIS21aagaVGXvEms45kBiN68A69MZoB6dXavnExWXuq9HyLk0ucG0uXUenN1N3MAFXA81Zpc1bCtJdgOKOJLYQPL_SyxEI7cdMxXbD67xzYtBMXhTdBuSg_WwNxyfDNhd5o9Z7W1U7QfFThV-b-Sel_Rw","e":"AQAB"}]})json";

inline constexpr absl::string_view kFuzzTokens[] = {
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVzIiwidHlwIjoiYXQrand0In0."
    "eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0Iiwic3ViIjoiMDE4OTBhNWQtYWM5Ni03NzRiLWJjY2UtYjMwMjA5OWE4MDU3IiwiYXVkIjoib3JkZX"
    "JzIiwiZXhwIjoxODAwMDAwMzAwLCJpYXQiOjE4MDAwMDAwMDAsImp0aSI6IjAxODkwYTVkLWFjOTYtNzc0Yi1iY2NlLWIzMDIwOTlhODA1OSIsInNp"
    "ZCI6IjAxODkwYTVkLWFjOTYtNzc0Yi1iY2NlLWIzMDIwOTlhODA1OCIsInNjb3BlIjoib3JkZXJzLnJlYWQgb3JkZXJzLndyaXRlIn0."
    "VBs6Uk8rhf8DYsGxnyeUdW0e39bHOCF4fadRbpm-E1kujQQnaR_riQsfZSQEwzqmf3PUcdIu2l_bQcqJnWluSA",
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIiwidHlwIjoiYXQrand0In0."
    "eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0Iiwic3ViIjoiMDE4OTBhNWQtYWM5Ni03NzRiLWJjY2UtYjMwMjA5OWE4MDU3IiwiYXVkIjoib3JkZX"
    "JzIiwiZXhwIjoxODAwMDAwMzAwLCJpYXQiOjE4MDAwMDAwMDAsImp0aSI6IjAxODkwYTVkLWFjOTYtNzc0Yi1iY2NlLWIzMDIwOTlhODA1OSIsInNp"
    "ZCI6IjAxODkwYTVkLWFjOTYtNzc0Yi1iY2NlLWIzMDIwOTlhODA1OCIsInNjb3BlIjoib3JkZXJzLnJlYWQgb3JkZXJzLndyaXRlIiwiY25mIjp7In"
    "g1dCNTMjU2IjoiWTJOalkyTmpZMk5qWTJOalkyTmpZMk5qWTJOalkyTmpZMk5qWTJOalkyTSJ9fQ."
    "5zIzszJH7rhmzBHdIB0NDI8moXhGnzwadcYttFVC9KM3yBNWN-J1fD4opPCwWrBgRY0YWlmiwGNii4QWOMzTDg",
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzIiwidHlwIjoiYXQrand0In0."
    "eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0Iiwic3ViIjoiMDE4OTBhNWQtYWM5Ni03NzRiLWJjY2UtYjMwMjA5OWE4MDU3IiwiYXVkIjoib3JkZX"
    "JzIiwiZXhwIjoxODAwMDAwMzAwLCJpYXQiOjE4MDAwMDAwMDAsImp0aSI6IjAxODkwYTVkLWFjOTYtNzc0Yi1iY2NlLWIzMDIwOTlhODA1OSIsInNp"
    "ZCI6IjAxODkwYTVkLWFjOTYtNzc0Yi1iY2NlLWIzMDIwOTlhODA1OCIsInNjb3BlIjoib3JkZXJzLnJlYWQgb3JkZXJzLndyaXRlIiwicHJlZmVycm"
    "VkX3VzZXJuYW1lIjoiYWxpY2UiLCJuYmYiOjE3OTk5OTk5OTV9.CFqnLz2ay64IZwG8JpV-DQ4eInOqd_IAg-zaOCSRm3-"
    "sd6ldE4Nlv6TZW7a1EoB183KLzJm5jLQ02-dTnnQRihixq9vDGPBmFABWI8KN-5y6EQtQfXcU9it6UdzEW3djkbrPcSxrhcxUYR9NLHP0Sv5Kg_"
    "1usn7KzM1UhSJ8Yp2LOyv_10eHT2tE2SaIcwNCRO1zJEip0wi7H8g0SFtz6Js2UIlujHYHZUM6TYfQ5IOCJTj-"
    "yCuoldrxQsFj5cteg7izmq29TmFDS8YeCZw7pO-5eHdvz234GET2gvSrWJZ-wnjHFzuaMfpnXDUZ7yt8fOd96NsNozY4QvwA96AQIg",
};

// When they are good.
inline const absl::Time kFuzzNow = absl::FromUnixSeconds(1800000000);

}  // namespace watchword
