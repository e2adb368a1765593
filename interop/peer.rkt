#lang racket/base
;; One conversation over a Unix-domain socket:
;;   racket peer.rkt listen|connect ADDRESS echo|endsLast|endsFirst
;; ADDRESS is a path, or `@name` for an abstract name, where every `@` stands for a zero byte.
;; Prints `listening` once it listens, and at the end the SHA-256 of what it received.
(require file/sha1 racket/port racket/unix-socket)

(define (address argument)
  (if (regexp-match? #rx"^@" argument)
      (regexp-replace* #rx#"@" (string->bytes/utf-8 argument) #"\0")
      argument))

(define (say text)
  (displayln text)
  (flush-output))

(define (converse in out manner)
  (define received (open-output-bytes))
  (when (equal? manner "endsFirst")
    (write-bytes #"greeting" out)
    (close-output-port out))
  (if (equal? manner "echo")
      (copy-port in out received)
      (copy-port in received))
  (define digest (bytes->hex-string (sha256-bytes (get-output-bytes received))))
  (when (equal? manner "endsLast")
    (write-string digest out))
  (close-output-port out)
  (close-input-port in)
  (say digest))

(define (connection role path)
  (cond
    [(equal? role "connect") (unix-socket-connect path)]
    [else
     (define listener (unix-socket-listen path))
     (say "listening")
     (define-values (in out) (unix-socket-accept listener))
     (unix-socket-close-listener listener)
     (values in out)]))

(define arguments (current-command-line-arguments))
(define-values (in out)
  (connection (vector-ref arguments 0) (address (vector-ref arguments 1))))
(converse in out (vector-ref arguments 2))
