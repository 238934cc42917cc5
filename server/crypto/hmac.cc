#include "server/crypto/hmac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstdlib>

#include "server/crypto/openssl.h"

namespace watchword {
namespace {

constexpr size_t kSize = 32;

using MacContext = OpenSslPtr<EVP_MAC_CTX, EVP_MAC_CTX_free>;

// Looked up once, as a look-up takes locks.
const MacContext& Template() {
  static const MacContext context = [] {
    const OpenSslPtr<EVP_MAC, EVP_MAC_free> hmac(EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr));
    MacContext made(EVP_MAC_CTX_new(hmac.get()));
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                     OSSL_PARAM_construct_end()};
    if (!made || EVP_MAC_CTX_set_params(made.get(), parameters) != 1) std::abort();  // an OpenSSL without SHA-256
    return made;
  }();
  return context;
}

const unsigned char* Bytes(absl::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

}  // namespace

std::string HmacSha256(const Secret& key, absl::string_view message) {
  const MacContext context(EVP_MAC_CTX_dup(Template().get()));
  std::string mac(kSize, '\0');
  size_t size = 0;
  const bool done =
      context && EVP_MAC_init(context.get(), Bytes(key.Reveal()), key.Reveal().size(), nullptr) == 1 &&
      EVP_MAC_update(context.get(), Bytes(message), message.size()) == 1 &&
      EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(mac.data()), &size, mac.size()) == 1 &&
      size == kSize;
  if (!done) std::abort();  // only without memory, and going on without an authenticator is no option
  return mac;
}

}  // namespace watchword
