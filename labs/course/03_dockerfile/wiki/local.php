<?php
// 위키의 설정. 제목은 환경 변수 WIKI_TITLE에서 읽어요.
$conf['title'] = getenv('WIKI_TITLE') ?: 'DokuWiki';
$conf['lang'] = 'ko';
$conf['license'] = '';
$conf['useacl'] = 0;
