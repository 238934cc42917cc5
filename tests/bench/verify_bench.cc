// What it takes to check a call's credential: one that was seen before, with many revocations in force, and one that
// was not, beside OpenSSL's bare signature check of the same bytes.
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "measure.h"
#include "testing/test_signer.h"
#include "watchword/base/base64url.h"
#include "watchword/base/clock.h"
#include "watchword/base/random.h"
#include "watchword/base/uuid.h"
#include "watchword/trust/checker.h"

namespace watchword {
namespace {

struct Settings {
  int revocations = 1'000'000;
  int rounds = 11;
};

void Must(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "verify_bench: %s failed\n", what);
  std::exit(1);
}

TokenVerifier Verifier() {
  return TokenVerifier::Create({.issuer = std::string(kTestIssuer), .audiences = {std::string(kTestAudience)}}).value();
}

// A public key and a signature in OpenSSL's own forms, ready to be checked.
class BareCheck {
 public:
  BareCheck(Algorithm algorithm, const Jwk& jwk, absl::string_view token) {
    const std::vector<std::string> parts = absl::StrSplit(token, '.');
    message_ = parts[0] + "." + parts[1];
    signature_ = Base64UrlDecode(parts[2]).value();
    key_.reset(MakeKey(algorithm, jwk));
    Must(key_ != nullptr, "decoding the public key");
    if (algorithm == Algorithm::kEs256) signature_ = ToDer(signature_);
    if (algorithm != Algorithm::kEdDsa) digest_.reset(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  }

  void Run() const {
    EVP_MD_CTX_reset(context_.get());
    Must(EVP_DigestVerifyInit(context_.get(), nullptr, digest_.get(), nullptr, key_.get()) == 1 &&
             EVP_DigestVerify(context_.get(), reinterpret_cast<const unsigned char*>(signature_.data()),
                              signature_.size(), reinterpret_cast<const unsigned char*>(message_.data()),
                              message_.size()) == 1,
         "OpenSSL's check");
  }

 private:
  static std::string ToDer(const std::string& raw) {
    ECDSA_SIG* signature = ECDSA_SIG_new();
    const auto* bytes = reinterpret_cast<const unsigned char*>(raw.data());
    ECDSA_SIG_set0(signature, BN_bin2bn(bytes, 32, nullptr), BN_bin2bn(bytes + 32, 32, nullptr));
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(signature, &der);
    std::string text(reinterpret_cast<char*>(der), static_cast<size_t>(size));
    OPENSSL_free(der);
    ECDSA_SIG_free(signature);
    return text;
  }

  static EVP_PKEY* FromParameters(const char* type, OSSL_PARAM_BLD* builder) {
    OSSL_PARAM* parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr);
    EVP_PKEY* key = nullptr;
    EVP_PKEY_fromdata_init(context);
    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    return key;
  }

  static EVP_PKEY* MakeKey(Algorithm algorithm, const Jwk& jwk) {
    if (algorithm == Algorithm::kEdDsa) {
      const std::string x = Base64UrlDecode(jwk.x).value();
      return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(x.data()),
                                         x.size());
    }
    OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
    if (algorithm == Algorithm::kEs256) {
      const std::string point = "\x04" + Base64UrlDecode(jwk.x).value() + Base64UrlDecode(jwk.y).value();
      OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
      OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
      return FromParameters("EC", builder);
    }
    const std::string n = Base64UrlDecode(jwk.n).value(), e = Base64UrlDecode(jwk.e).value();
    BIGNUM* modulus = BN_bin2bn(reinterpret_cast<const unsigned char*>(n.data()), static_cast<int>(n.size()), nullptr);
    BIGNUM* exponent = BN_bin2bn(reinterpret_cast<const unsigned char*>(e.data()), static_cast<int>(e.size()), nullptr);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent);
    EVP_PKEY* key = FromParameters("RSA", builder);
    BN_free(modulus);
    BN_free(exponent);
    return key;
  }

  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::string message_, signature_;
  std::unique_ptr<EVP_PKEY, Free> key_;
  std::unique_ptr<EVP_MD, Free> digest_;
  std::unique_ptr<EVP_MD_CTX, Free> context_{EVP_MD_CTX_new()};
};

// Nanoseconds for each of `calls` calls of what `make_work(t)` gives, on each of `threads` threads at once.
double OnThreads(int threads, int calls, absl::FunctionRef<std::function<void()>(int)> make_work) {
  std::vector<std::function<void()>> work;
  for (int t = 0; t < threads; ++t) work.push_back(make_work(t));
  std::vector<std::thread> running;
  const absl::Time begin = absl::Now();
  for (const auto& each : work) {
    running.emplace_back([&each, calls] {
      for (int i = 0; i < calls; ++i) each();
    });
  }
  for (std::thread& thread : running) thread.join();
  return absl::ToDoubleNanoseconds(absl::Now() - begin) / calls;
}

// As a gate meets them: 2,000 tokens, each of which has left the cache again before it comes back.
void MeasureUncached(Algorithm algorithm, int threads, const Settings& settings) {
  const TestSigner signer(algorithm);
  TrustState trust(SystemClock());
  trust.SetKeys(signer.keys());
  CredentialChecker checker(Verifier(), trust, trust.credential_clock(), /*cache_capacity=*/1);
  std::vector<std::string> tokens;
  for (int i = 0; i < 2000; ++i) {
    Claims claims = GoodClaims(absl::Now());
    claims.token_id = std::to_string(i);
    tokens.push_back(MintToken(signer, claims));
  }
  std::atomic<size_t> next{0};  // goes on from round to round, so that none comes again soon
  const auto ours = [&](int) -> std::function<void()> {
    return [&] { Must(checker.Check(tokens[next++ % tokens.size()]).ok(), "the check"); };
  };
  const auto bare = [&](int) -> std::function<void()> {
    return [check = std::make_shared<BareCheck>(algorithm, signer.jwk(), tokens[0])] { check->Run(); };
  };
  Report(absl::StrCat("verify_uncached: ", AlgorithmName(algorithm), ", threads: ", threads),
         Compare([&] { return OnThreads(threads, 500, ours); }, [&] { return OnThreads(threads, 500, bare); },
                 settings.rounds),
         "us", 1e-3);
  Must(checker.cache_hits() == 0, "missing the cache");
}

// 1,000 credentials in turn, all of them known, with revocations in force; beside OpenSSL's check of one of them.
void MeasureCached(Algorithm algorithm, int threads, const TrustState& trust, const TestSigner& signer,
                   const Settings& settings) {
  CredentialChecker checker(Verifier(), trust, trust.credential_clock());
  std::vector<std::string> tokens;
  for (int i = 0; i < 1000; ++i) {
    Claims claims = GoodClaims(absl::Now());
    claims.session_id = Uuid::NewV7(absl::Now(), SystemRandom()).value().ToString();
    tokens.push_back(MintToken(signer, claims));
    Must(checker.Check(tokens.back()).ok(), "the first check");
  }
  const auto ours = [&](int thread) -> std::function<void()> {
    return [&, next = tokens.size() / 2 * static_cast<size_t>(thread)]() mutable {
      Must(checker.Check(tokens[next++ % tokens.size()]).ok(), "the cached check");
    };
  };
  const auto bare = [&](int) -> std::function<void()> {
    return [check = std::make_shared<BareCheck>(algorithm, signer.jwk(), tokens[0])] { check->Run(); };
  };
  Report(absl::StrCat("verify_cached: ", AlgorithmName(algorithm), ", threads: ", threads),
         Compare([&] { return OnThreads(threads, 200'000, ours); }, [&] { return OnThreads(threads, 500, bare); },
                 settings.rounds),
         "us", 1e-3);
  if (algorithm != Algorithm::kEs256 || threads == 1) return;
  // All that calls share shows here, were it locked; then, how much of it is the credentials themselves.
  Report(absl::StrCat("verify_cached: on ", threads, " threads ÷ on one"),
         Compare([&] { return threads * 1e9 / OnThreads(threads, 200'000, ours); },
                 [&] { return 1e9 / OnThreads(1, 200'000, ours); }, settings.rounds),
         "1/s", 1);
  const auto of_its_own = [&](int thread) -> std::function<void()> {
    const size_t count = tokens.size() / 2;
    return [&, count, begin = count * static_cast<size_t>(thread), next = size_t{0}]() mutable {
      Must(checker.Check(tokens[begin + next++ % count]).ok(), "the cached check");
    };
  };
  Report(absl::StrCat("verify_cached: credentials of its own, on ", threads, " threads ÷ on one"),
         Compare([&] { return threads * 1e9 / OnThreads(threads, 200'000, of_its_own); },
                 [&] { return 1e9 / OnThreads(1, 200'000, of_its_own); }, settings.rounds),
         "1/s", 1);
  Report(absl::StrCat("verify_cached: OpenSSL's check, on ", threads, " threads ÷ on one"),
         Compare([&] { return threads * 1e9 / OnThreads(threads, 500, bare); },
                 [&] { return 1e9 / OnThreads(1, 500, bare); }, settings.rounds),
         "1/s", 1);
}

void MeasureCached(Algorithm algorithm, const Settings& settings) {
  const TestSigner signer(algorithm);
  TrustState trust(SystemClock());
  trust.SetKeys(signer.keys());
  const absl::Time now = absl::Now();
  trust.NoteHeartbeat(absl::ZeroDuration(), now);
  for (int i = 0; i < settings.revocations; ++i) {
    trust.revocations().Add(
        {.target = Revocation::Session{Uuid::NewV7(now, SystemRandom()).value()}, .expires_at = now + absl::Hours(1)},
        now);
  }
  for (const int threads : {1, 2}) MeasureCached(algorithm, threads, trust, signer, settings);
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  watchword::Settings settings;
  CLI::App app("Measures what it takes to check a credential.");
  app.add_option("--revocations", settings.revocations, "How many are in force")->capture_default_str();
  app.add_option("--rounds", settings.rounds, "How often each thing is measured")->capture_default_str();
  std::string what;
  app.add_option("what", what, "cached, uncached, or nothing for both")->check(CLI::IsMember({"cached", "uncached"}));
  CLI11_PARSE(app, argc, argv);
  for (const auto algorithm :
       {watchword::Algorithm::kEs256, watchword::Algorithm::kEdDsa, watchword::Algorithm::kRs256}) {
    if (what != "uncached") watchword::MeasureCached(algorithm, settings);
    if (what == "cached") continue;
    for (const int threads : {1, 2}) watchword::MeasureUncached(algorithm, threads, settings);
  }
}
