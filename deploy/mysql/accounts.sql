-- The database and the two accounts that Watchword uses, for MySQL 8 and MariaDB 10.5 and later. Run as an administrator:
--
--   sed -e 's/CHANGE-ME-1/…/' -e 's/CHANGE-ME-2/…/' deploy/mysql/accounts.sql | mysql --user=root --password
--
-- Accounts may connect from anywhere ('%') but only with TLS: narrow the host down if you can. A database of another name
-- needs the name changed below.

CREATE DATABASE IF NOT EXISTS watchword CHARACTER SET utf8mb4;

-- For `watchwordd migrate` only, such as a Kubernetes Job: changes the schema.
CREATE USER 'watchword_migrate'@'%' IDENTIFIED BY 'CHANGE-ME-1' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON watchword.* TO 'watchword_migrate'@'%';

-- For the servers: reads and writes rows, and nothing else. It cannot drop or change a table, see other databases, write
-- files or read who else has an account.
CREATE USER 'watchword'@'%' IDENTIFIED BY 'CHANGE-ME-2' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, DELETE ON watchword.* TO 'watchword'@'%';
