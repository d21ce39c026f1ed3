/**
 * Where lines belong that only mi-httpd knows. OpenSIPS before 4.0 does not start with a parameter that it does not know, so
 * that no advice may lead into a file that both read.
 */
export const ownFile =
  'in a file of its own, /etc/mi-httpd/mi-httpd.cfg; where OpenSIPS reads the present one, begin it with include_file ' +
  '"FILE", as OpenSIPS would not start with this line';
