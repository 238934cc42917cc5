#include "client/command/context.h"

#include <utility>

namespace watchword {

absl::StatusOr<std::shared_ptr<grpc::Channel>> Context::Channel() {
  if (channel_ == nullptr) {
    auto made = MakeChannel(options_.channel);
    if (!made.ok()) return made.status();
    channel_ = *std::move(made);
  }
  return channel_;
}

absl::StatusOr<SessionClient*> Context::Client() {
  if (client_ == nullptr) {
    const auto channel = Channel();
    if (!channel.ok()) return channel.status();
    client_ = std::make_unique<SessionClient>(*channel, options_.timeout);
  }
  return client_.get();
}

absl::StatusOr<StoredSession*> Context::SessionOf(const std::string& username) {
  const auto address = CanonicalAddress(options_.channel.address);
  if (!address.ok()) return address.status();
  const auto client = Client();
  if (!client.ok()) return client.status();
  const auto folder = Folder();
  if (!folder.ok()) return folder.status();
  session_ = std::make_unique<StoredSession>(**folder, **client, environment_.clock, *address, username,
                                             /*lock_timeout=*/options_.timeout);
  return session_.get();
}

absl::StatusOr<StoredSession*> Context::Session() {
  if (!options_.user.empty()) return SessionOf(options_.user);
  const auto address = CanonicalAddress(options_.channel.address);
  if (!address.ok()) return address.status();
  const auto folder = Folder();
  if (!folder.ok()) return folder.status();
  const auto user = (*folder)->DefaultUser(*address);
  if (!user.ok()) return user.status();
  return SessionOf(*user);
}

absl::StatusOr<CallOptions> Context::Authenticated() {
  const auto session = Session();
  if (!session.ok()) return session.status();
  auto login = (*session)->Fresh(kMargin);
  if (!login.ok()) return login.status();
  credential_ = std::move(login->credential);
  return CallOptions{.timeout = options_.timeout, .bearer = credential_};
}

absl::StatusOr<CredentialFolder*> Context::Folder() {
  if (!folder_.has_value()) {
    const auto path = CredentialFolder::DefaultPath();
    if (!path.ok()) return path.status();
    folder_.emplace(*path);
  }
  return &*folder_;
}

}  // namespace watchword
